// A dialog that is there only while it is open gives the focus back as it goes, as one does that stays and is closed.
import { useEffect, useState } from 'react';

/** Within such a dialog. */
export function FocusReturn() {
  const [from] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      const isLost = document.activeElement === null || document.activeElement === document.body;
      if (isLost && from instanceof HTMLElement && from.isConnected) from.focus();
    },
    [from],
  );
  return null;
}
