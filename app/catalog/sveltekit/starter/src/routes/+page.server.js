import { countVisit, store } from '$lib/server/visits.js';
import { sentence } from '$lib/sentence.js';

export async function load() {
  return { text: sentence(await countVisit(), store) };
}
