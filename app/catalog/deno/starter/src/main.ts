import process from 'node:process';

import { page } from './page.js';
import { countVisit, store } from './visits.js';

const server = Deno.serve({ hostname: '0.0.0.0', port: Number(process.env.PORT ?? 8000) }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return new Response('ok');
  if (pathname !== '/') return new Response('Not found\n', { status: 404 });
  const html = page(await countVisit(), store);
  return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8' } });
});

// A deploy lets open requests finish.
Deno.addSignalListener('SIGTERM', () => server.shutdown().then(() => Deno.exit()));
