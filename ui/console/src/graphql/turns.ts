// One request at a time for one thing on screen: an older answer can never come after a newer one.
export const REST_MS = 50;

/**
 * `soon` asks at once; while it is asked, and 50 ms after, however often `soon` is called makes one asking more.
 * `ask` must end, and never fail.
 */
export function inTurns(ask: () => Promise<unknown>): { soon: () => void; stop: () => void } {
  let busy = false;
  let wanted = false;
  let stopped = false;
  const run = async () => {
    busy = true;
    wanted = false;
    await ask();
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    busy = false;
    if (wanted && !stopped) void run();
  };
  return {
    soon: () => {
      if (busy) wanted = true;
      else if (!stopped) void run();
    },
    stop: () => {
      stopped = true;
    },
  };
}
