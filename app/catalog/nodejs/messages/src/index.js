import { createServer } from 'node:http';

import { broker, listen, publish, received } from './messages.js';
import { page } from './page.js';
import { countVisit, store } from './visits.js';

const server = createServer(async (request, response) => {
  try {
    await answer(request, response);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end('This could not be done.\n');
  }
});

async function answer(request, response) {
  switch (`${request.method} ${request.url}`) {
    case 'GET /healthz':
      return response.end('ok');
    case 'GET /': {
      const html = page(await countVisit(), store, received(), broker);
      return response.setHeader('content-type', 'text/html; charset=utf-8').end(html);
    }
    case 'POST /messages':
      await publish('Hello');
      // The page is asked for anew, so that loading it again sends nothing.
      return response.writeHead(303, { location: '/' }).end();
    default:
      return response.writeHead(404).end('Not found\n');
  }
}

listen();
const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(`listening on ${port}`));

// A deploy lets open requests finish.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
