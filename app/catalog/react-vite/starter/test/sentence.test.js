import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sentence } from '../src/sentence.js';

test('the button counts', () => {
  assert.equal(sentence(1), 'Clicked once');
  assert.equal(sentence(7), 'Clicked 7 times');
});
