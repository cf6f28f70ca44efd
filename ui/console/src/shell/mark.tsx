/** Merlin's mark. */
export function Mark({ size = 24 }: { size?: number }) {
  return <img src="/assets/merlin.svg" width={size} height={size} alt="" />;
}
