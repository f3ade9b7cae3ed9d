import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sentence } from '#lib/sentence.js';

test('the page shows the count and where it is kept', () => {
  assert.equal(sentence(7, 'memory'), 'Visit number 7, counted in memory.');
});
