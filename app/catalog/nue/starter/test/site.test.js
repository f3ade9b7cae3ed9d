import { expect, test } from 'bun:test';

test('the first page has a heading', async () => {
  expect(await Bun.file('index.md').text()).toContain('# {{project}}');
});
