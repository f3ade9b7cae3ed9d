/** The page, as HTML. */
export function page(visits, store, received, broker) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>{{project}}</title>
  </head>
  <body>
    <h1>{{project}}</h1>
    <p>Visit number ${visits}, counted in ${store}.</p>
    <form method="post" action="/messages"><button>Send a message</button></form>
    <p>Messages received from ${broker}: ${received}.</p>
  </body>
</html>`;
}
