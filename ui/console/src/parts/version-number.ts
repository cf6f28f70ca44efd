// The number of a version in an address: what is none has no page, what the API could not take has no version.
const GREATEST = 2 ** 31 - 1; // of GraphQL's Int

export function readVersionNumber(text: string): { number: number; isNumber: boolean; possible: boolean } {
  const number = Number(text);
  const isNumber = Number.isSafeInteger(number);
  return { number, isNumber, possible: isNumber && Math.abs(number) <= GREATEST };
}
