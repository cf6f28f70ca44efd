// Ways off the page that are no address of it: a reload, another site, the end of the session.
type Go = () => void;

let ask: ((go: Go) => void) | undefined;
let forced = false;
let kept = 0;

const hold = (event: BeforeUnloadEvent) => {
  if (!forced) event.preventDefault();
};

/** Have the browser ask before the page is left: something is typed in it; until the returned function is called. */
export function keep(): () => void {
  kept += 1;
  addEventListener('beforeunload', hold);
  return () => {
    kept -= 1;
    if (kept === 0) removeEventListener('beforeunload', hold);
  };
}

/** Whether something would be lost with the page. */
export const isKept = (): boolean => kept > 0;

/** Have `asking` called, and the browser ask, before the page is left; until the returned function is called. */
export function askFirst(asking: (go: Go) => void): () => void {
  ask = asking;
  const letGo = keep();
  return () => {
    ask = undefined;
    letGo();
  };
}

/** Leave by `go`, once one is not asked, or says so. */
export const leaveBy = (go: Go): void => (ask ? ask(go) : go());

/** Load the page anew, whatever would be lost. */
export function mustReload(): void {
  forced = true;
  location.reload();
}
