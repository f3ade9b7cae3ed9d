import { sentence } from '#lib/sentence.js';
import { countVisit, store } from '#lib/server/visits.js';

export async function load() {
  return { text: sentence(await countVisit(), store) };
}
