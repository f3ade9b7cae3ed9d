import { serve } from '@hono/node-server';

import { application } from './app.js';
import { countVisit, store } from './visits.js';

const port = Number(process.env.PORT ?? 3000);
const server = serve({ fetch: application(countVisit, store).fetch, port }, () => console.log(`listening on ${port}`));

// A deploy lets open requests finish.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
