import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GET } from '../src/pages/healthz.js';

test('its health needs no visit', async () => {
  const answer = GET();
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'ok');
});
