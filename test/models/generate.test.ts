import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DecoderModel, type GeneratedToken, loadModel } from '../../lib/models.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { beginning, byteVocabulary, end, tokensOfBytes, writeTokenizer } from './byte-tokenizer.js';
import { runPlain } from './plain-model.js';
import { decoders, type RandomModel, randomTokens, writeModel } from './random-models.js';

const template =
  "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{{ eos_token }}" +
  '{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';

async function collect(generated: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const all: GeneratedToken[] = [];
  for await (const each of generated) all.push(each);
  return all;
}

const textOf = (generated: readonly GeneratedToken[]) => generated.map(({ text }) => text).join('');
const tokensOf = (generated: readonly GeneratedToken[]) => generated.map(({ token }) => token);

describe('DecoderModel.generate', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('DecoderModel.generate');
  let made: RandomModel;
  let folder: string;
  let model: DecoderModel;

  before(async () => {
    made = decoders.llama(random, byteVocabulary);
    folder = await writeModel(pathOf('model'), made);
    await writeTokenizer(folder, { chat_template: template });
    model = (await loadModel(folder)) as DecoderModel;
  });
  after(() => model.dispose());

  const prompt = () => randomTokens(random, byteVocabulary, 12);

  it('takes the token with the largest logit, by default', async () => {
    const tokens = prompt();
    const generated = await collect(model.generate(tokens, { maxTokens: 12 }));
    assert.equal(generated.length, 12);
    const all = [...tokens];
    for (const { token } of generated) {
      const last = runPlain(made.plain, all).logits?.at(-1) ?? new Float64Array();
      // Rounding may choose between two that are as good as equal.
      assert.ok(last[token] >= Math.max(...last) - 1e-3, `${token} behind ${all}`);
      all.push(token);
    }
  });

  it('draws the same tokens from the same seed, and others from another', async () => {
    const tokens = prompt();
    const draw = async (seed?: number) =>
      tokensOf(
        await collect(
          model.generate(tokens, { maxTokens: 24, temperature: 3, ...(seed !== undefined && { seed }) }),
        ),
      );
    const first = await draw(7);
    assert.deepEqual(await draw(7), first);
    // 24 tokens of hundreds at this temperature: that two draws agree is out of the question.
    assert.notDeepEqual(await draw(8), first);
    assert.notDeepEqual(await draw(), await draw());
  });

  it('draws what sampling allows: of one token only the best', async () => {
    const tokens = prompt();
    const greedy = tokensOf(await collect(model.generate(tokens, { maxTokens: 8 })));
    const options = { maxTokens: 8, temperature: 2, topK: 1, seed: random.integer(0, 1e9) };
    assert.deepEqual(tokensOf(await collect(model.generate(tokens, options))), greedy);
  });

  it('gives the text of its tokens, whole characters at a time', async () => {
    for (let repetition = 0; repetition < 5; repetition++) {
      const options = { maxTokens: 40, temperature: 3, seed: random.integer(0, 1e9) };
      const generated = await collect(model.generate(prompt(), options));
      const tokens = tokensOf(generated);
      assert.equal(textOf(generated), model.tokenizer?.decode(tokens));
    }
  });

  it('reads a text with the tokens that the model expects around it', async () => {
    const ids = [tokensOfBytes.beginning, ...(model.tokenizer?.encode('hello world', false) ?? [])];
    assert.deepEqual(model.tokenizer?.encode('hello world'), ids);
    const [byText, byTokens] = [
      await collect(model.generate('hello world', { maxTokens: 5 })),
      await collect(model.generate(ids, { maxTokens: 5 })),
    ];
    assert.deepEqual(byText, byTokens);
  });

  it('reads a conversation as its chat template writes it', async () => {
    const messages = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hé' },
    ];
    const written = `${beginning}[system]be brief${end}[user]hé${end}[assistant]`;
    assert.equal(await model.tokenizer?.applyChatTemplate(messages), written);
    const ids = model.tokenizer?.encode(written, false) ?? [];
    assert.equal(ids.filter((id) => id === tokensOfBytes.end).length, 2);
    assert.equal(ids.filter((id) => id === tokensOfBytes.beginning).length, 1);
    assert.deepEqual(
      await collect(model.generate(messages, { maxTokens: 4 })),
      await collect(model.generate(ids, { maxTokens: 4 })),
    );
  });

  it('ends at a string of stop, which it does not give', async () => {
    const options = { maxTokens: 40, temperature: 3, seed: 5 };
    const tokens = [...(model.tokenizer?.encode('stop') ?? [])];
    const whole = textOf(await collect(model.generate(tokens, options)));
    const at = random.integer(3, whole.length - 4);
    const stop = whole.slice(at, at + 3);
    const generated = await collect(model.generate(tokens, { ...options, stop: ['nowhere at all', stop] }));
    assert.equal(textOf(generated), whole.slice(0, whole.indexOf(stop)));
    assert.ok(generated.length <= 40);
  });

  it('ends at a token that ends texts: those of generation_config.json before those of config.json', async () => {
    const tokens = prompt();
    const greedy = tokensOf(await collect(model.generate(tokens, { maxTokens: 20 })));
    const ending = greedy[random.integer(0, greedy.length - 1)];
    const expected = greedy.slice(0, greedy.indexOf(ending) + 1);
    for (const place of ['config.json', 'generation_config.json']) {
      const own = await writeModel(pathOf(`ending in ${place}`), made);
      const ends = { eos_token_id: [byteVocabulary - 1, ending] };
      const path = join(own, place);
      const fields = place === 'config.json' ? { ...made.config, ...ends } : ends;
      await writeFile(path, JSON.stringify(fields));
      using other = (await loadModel(own)) as DecoderModel;
      assert.deepEqual(other.endOfText, ends.eos_token_id);
      assert.equal(other.tokenizer, undefined);
      const generated = await collect(other.generate(tokens, { maxTokens: 20 }));
      assert.deepEqual(tokensOf(generated), expected);
      assert.equal(textOf(generated), '');
    }
  });

  it('ends where the longest sequence does', async () => {
    const tokens = randomTokens(random, byteVocabulary, 3);
    const generated = await collect(model.generate(tokens, { maxTokens: 1000 }));
    assert.equal(generated.length, model.longest - tokens.length);
  });

  it('can be aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const generated = model.generate(prompt(), { signal: controller.signal });
    assert.equal((await generated.next()).done, false);
    controller.abort(reason);
    await assert.rejects(generated.next(), reason);
    assert.equal((await generated.next()).done, true);
    await assert.rejects(model.generate(prompt(), { signal: controller.signal }).next(), reason);
  });

  it('refuses bad options at once, and bad prompts when it begins', async () => {
    throwsHeed(() => model.generate([1], { maxTokens: 0 }), 'HEED_INVALID_ARGUMENT', 'options.maxTokens');
    throwsHeed(() => model.generate([1], { seed: -1 }), 'HEED_INVALID_ARGUMENT', 'options.seed');
    throwsHeed(() => model.generate([1], { stop: [''] }), 'HEED_INVALID_ARGUMENT', 'options.stop[0]');
    const misspelt = { temprature: 1 } as object;
    throwsHeed(() => model.generate([1], misspelt), 'HEED_UNKNOWN_OPTION', "did you mean 'temperature'");
    const first = (given: unknown, options?: object) => () => model.generate(given as string, options).next();
    await rejectsHeed(first([]), 'HEED_INVALID_ARGUMENT', 'at least one token');
    await rejectsHeed(first([byteVocabulary]), 'HEED_INVALID_ARGUMENT', 'prompt[0]');
    await rejectsHeed(first(undefined), 'HEED_INVALID_ARGUMENT', 'prompt');
    await rejectsHeed(first([{ role: 'user' }]), 'HEED_INVALID_ARGUMENT', 'messages[0].content');
    await rejectsHeed(first([1], { temperature: -1 }), 'HEED_INVALID_ARGUMENT', 'options.temperature');
    const long = new Int32Array(model.longest);
    await rejectsHeed(first(long), 'HEED_CACHE_FULL', `${model.longest} steps`);
  });

  it('refuses text without a tokenizer, conversations without a template, and anything once disposed of', async () => {
    const own = await writeModel(pathOf('bare'), made);
    const bare = (await loadModel(own)) as DecoderModel;
    await rejectsHeed(() => bare.generate('text').next(), 'HEED_INVALID_ARGUMENT', 'no tokenizer.json');
    throwsHeed(() => bare.generate([1], { stop: 'x' }), 'HEED_INVALID_ARGUMENT', 'options.stop');
    bare.dispose();
    assert.ok(bare.disposed);
    await rejectsHeed(() => bare.generate([1]).next(), 'HEED_DISPOSED', 'a live model');
    await rejectsHeed(() => bare.logits([1]), 'HEED_DISPOSED', 'a live model');
    await writeTokenizer(own);
    using plain = (await loadModel(own)) as DecoderModel;
    const messages = [{ role: 'user', content: 'x' }];
    await rejectsHeed(() => plain.generate(messages).next(), 'HEED_FILE_ERROR', 'a chat template');
    await writeFile(join(own, 'chat_template.jinja'), '{{ raise_exception("not so") }}');
    using strict = (await loadModel(own)) as DecoderModel;
    await rejectsHeed(() => strict.generate(messages).next(), 'HEED_INVALID_ARGUMENT', 'not so');
  });
});
