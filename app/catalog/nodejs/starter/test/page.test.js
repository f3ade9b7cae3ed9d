import assert from 'node:assert/strict';
import { test } from 'node:test';

import { page } from '../src/page.js';

test('the page shows the count and where it is kept', () => {
  const html = page(7, 'memory');
  assert.match(html, /Visit number 7, counted in memory\./);
  assert.match(html, /^<!doctype html>/);
});
