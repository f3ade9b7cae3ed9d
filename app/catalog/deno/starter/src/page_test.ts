import { strictEqual } from 'node:assert';

import { page } from './page.js';

Deno.test('the page shows the count and where it is kept', () => {
  strictEqual(page(7, 'memory').includes('Visit number 7, counted in memory.'), true);
});
