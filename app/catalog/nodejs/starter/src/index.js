import { createServer } from 'node:http';

import { page } from './page.js';
import { countVisit, store } from './visits.js';

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') return response.end('ok');
  if (request.url !== '/') return response.writeHead(404).end('Not found\n');
  try {
    const html = page(await countVisit(), store);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(html);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end('The visit could not be counted.\n');
  }
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(`listening on ${port}`));

// A deploy lets open requests finish.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
