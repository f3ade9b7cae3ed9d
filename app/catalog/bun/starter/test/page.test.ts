import { expect, test } from 'bun:test';

import { page } from '../src/page.js';

test('the page shows the count and where it is kept', () => {
  expect(page(7, 'memory')).toContain('Visit number 7, counted in memory.');
});
