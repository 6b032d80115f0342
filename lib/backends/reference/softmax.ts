/**
 * Softmax: scores become weights, none negative, that sum to 1. Each weight is exp(score), divided
 * by the sum of all of them.
 *
 * exp(1000) is infinite, so the largest score is first taken off all of them, which changes no
 * weight. The logarithm of the sum (log-sum-exp) tells how large all scores were together: with it,
 * any weight can be computed later as exp(score − logSumExp), and results over different keys can
 * be joined.
 */

/**
 * Turns scores into weights, in place, and answers their log-sum-exp. A sink is one more logit that
 * takes its share of the weight and gives no value. Where all scores are −∞ there is no key to
 * attend, so none counts as attended: all weights are 0, and a sink has all the weight. The
 * log-sum-exp is then the sink, or −∞ without one.
 */
export function softmax(scores: Float64Array, attended: Uint8Array, sink = Number.NEGATIVE_INFINITY): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let key = 0; key < scores.length; key++) {
    if (attended[key]) largest = Math.max(largest, scores[key]);
  }
  if (largest === Number.NEGATIVE_INFINITY) {
    scores.fill(0);
    attended.fill(0);
    return sink;
  }
  largest = Math.max(largest, sink);
  let sum = Math.exp(sink - largest);
  for (let key = 0; key < scores.length; key++) {
    scores[key] = attended[key] ? Math.exp(scores[key] - largest) : 0;
    sum += scores[key];
  }
  for (let key = 0; key < scores.length; key++) scores[key] /= sum;
  return largest + Math.log(sum);
}
