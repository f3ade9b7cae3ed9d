import assert from 'node:assert/strict';
import { test } from 'node:test';

import { page } from '../src/page.js';

test('the page shows the count and where it is kept', () => {
  const html = page(7, 'memory', 3, 'a broker');
  assert.match(html, /Visit number 7, counted in memory\./);
  assert.match(html, /^<!doctype html>/);
});

test('the page shows what was received and sends more', () => {
  const html = page(7, 'memory', 3, 'a broker');
  assert.match(html, /Messages received from a broker: 3\./);
  assert.match(html, /<form method="post" action="\/messages">/);
});
