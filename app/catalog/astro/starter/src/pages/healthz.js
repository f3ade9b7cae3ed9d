/** Says that the server does well, without a visit. */
export function GET() {
  return new Response('ok');
}
