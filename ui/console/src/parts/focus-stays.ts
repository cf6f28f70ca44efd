// Where the keyboard goes on when what has the focus goes away: else it begins at the page's top.
import { useEffect, useRef, type FocusEvent } from 'react';

/**
 * For what holds things that come and go; `next` says what gets the focus of one that is gone. What was opened from
 * within, a dialog for example, is within. A button that loses it while it is busy gets it back.
 */
export function useFocusThatStays<Holder extends HTMLElement>(
  next: (holder: Holder) => HTMLElement | null | undefined,
) {
  const holder = useRef<Holder>(null);
  const isWithin = useRef(false);
  const last = useRef<HTMLElement>(null);
  // After each drawing: any may have taken it away.
  useEffect(() => {
    if (!isWithin.current || document.activeElement !== document.body || !holder.current) return;
    // One that is open keeps the keyboard, also while its button is busy.
    if (document.querySelector('[role="dialog"]')) return;
    if (last.current?.isConnected && last.current.hasAttribute('data-loading')) return;
    if (last.current?.isConnected) last.current.focus();
    if (document.activeElement !== document.body) return;
    isWithin.current = false;
    next(holder.current)?.focus();
  });
  const onFocus = ({ target }: FocusEvent<HTMLElement>) => {
    isWithin.current = true;
    last.current = target;
  };
  // A button that loses it because it is busy was not left.
  const onBlur = ({ target }: FocusEvent) => {
    isWithin.current = target instanceof HTMLButtonElement && target.disabled;
  };
  return { ref: holder, onFocus, onBlur };
}
