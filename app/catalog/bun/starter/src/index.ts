import { page } from './page.js';
import { countVisit, store } from './visits.js';

const server = Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  routes: {
    '/healthz': new Response('ok'),
    '/': async () =>
      new Response(page(await countVisit(), store), { headers: { 'content-type': 'text/html; charset=utf-8' } }),
  },
  fetch: () => new Response('Not found\n', { status: 404 }),
});

console.log(`listening on ${server.port}`);

// A deploy lets open requests finish.
process.on('SIGTERM', () => server.stop().then(() => process.exit(0)));
