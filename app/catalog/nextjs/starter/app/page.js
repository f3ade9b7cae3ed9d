import { sentence } from '../lib/sentence.js';
import { countVisit, store } from '../lib/visits.js';

// Each request counts: the page is never made ahead.
export const dynamic = 'force-dynamic';

export default async function Page() {
  const visits = await countVisit();
  return (
    <main>
      <h1>{{project}}</h1>
      <p>{sentence(visits, store)}</p>
    </main>
  );
}
