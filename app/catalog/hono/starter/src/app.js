import { Hono } from 'hono';
import { html } from 'hono/html';

/** The application; what counts is given, so that a test needs no database. */
export function application(countVisit, store) {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/', async (c) => {
    const visits = await countVisit();
    return c.html(html`<!doctype html>
      <html lang="en">
        <head><meta charset="utf-8"><title>{{project}}</title></head>
        <body><h1>{{project}}</h1><p>Visit number ${visits}, counted in ${store}.</p></body>
      </html>`);
  });
  return app;
}
