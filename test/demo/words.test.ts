import assert from 'node:assert/strict';
import { keyOf, readWords } from '../../lib/demo/words.js';

describe('words of a text', () => {
  const textsOf = (text: string) => readWords(text).words.map((word) => word.text);

  it('are separated by spaces and punctuation', () => {
    assert.deepEqual(textsOf('“To be, or not to be”—that is\n the question.'), [
      ...['To', 'be', 'or', 'not', 'to', 'be', 'that', 'is', 'the', 'question'],
    ]);
  });

  it('keep apostrophes, accents and digits', () => {
    assert.deepEqual(textsOf("the dog's pensée of 1890"), ['the', "dog's", 'pensée', 'of', '1890']);
  });

  it('need no spaces between them', () => {
    assert.ok(textsOf('注意力机制很重要').length > 1);
  });

  it('and what stands after them make up the text', () => {
    const text = 'One,  two;\n\nthree!';
    assert.equal(
      readWords(text)
        .words.map(({ text, after }) => text + after)
        .join(''),
      text,
    );
  });

  it('are the same whatever their case, composition and kind of apostrophe', () => {
    assert.equal(keyOf('PENSÉE'), keyOf('pense\u0301e'));
    assert.equal(keyOf('Dog’s'), keyOf("dog's"));
    assert.notEqual(keyOf('dog'), keyOf('dogs'));
  });

  it('stop at a limit, which is told', () => {
    const read = readWords('one two three.', 2);
    assert.deepEqual(
      read.words.map((word) => word.text),
      ['one', 'two'],
    );
    assert.equal(read.complete, false);
    assert.equal(readWords('one two three.', 3).complete, true);
  });

  it('may be none', () => {
    assert.deepEqual(readWords(' … – !'), { words: [], complete: true });
  });
});
