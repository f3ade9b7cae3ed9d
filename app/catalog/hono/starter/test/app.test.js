import assert from 'node:assert/strict';
import { test } from 'node:test';

import { application } from '../src/app.js';

test('the page shows the count and where it is kept', async () => {
  const app = application(async () => 7, 'memory');
  const answer = await app.request('/');
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /Visit number 7, counted in memory\./);
});
