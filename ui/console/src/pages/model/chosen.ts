// Which versions are ticked to be compared: `?v=1&v=3`, in the list's address as in the comparison's.
export const MOST_COMPARED = 5;

/** Greatest `Int` of GraphQL. */
const GREATEST = 2 ** 31 - 1;

/** The numbers among the texts, each once. */
export function numbersOf(texts: string[]): number[] {
  const numbers = texts.map(Number).filter((each) => Number.isInteger(each) && each > 0 && each <= GREATEST);
  return [...new Set(numbers)].slice(0, MOST_COMPARED);
}

/** With this one ticked, or no longer. One too many stays out. */
export function toggled(chosen: number[], number: number): number[] {
  if (chosen.includes(number)) return chosen.filter((each) => each !== number);
  return [...chosen, number].slice(0, MOST_COMPARED);
}

/** As an address has them. */
export function addressOf(chosen: number[]): string {
  return chosen.map((each) => `v=${each}`).join('&');
}
