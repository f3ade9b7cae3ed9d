/** What the page says. */
export function sentence(visits, store) {
  return `Visit number ${visits}, counted in ${store}.`;
}
