/** What the button says. */
export function sentence(clicks) {
  return clicks === 1 ? 'Clicked once' : `Clicked ${clicks} times`;
}
