import { useEffect, useState } from 'react';

/** Whether that has been so for this long; it ends at once. */
export function useLasting(so: boolean, ms: number): boolean {
  const [lasted, setLasted] = useState(false);
  useEffect(() => {
    if (!so) return setLasted(false);
    const timer = setTimeout(() => setLasted(true), ms);
    return () => clearTimeout(timer);
  }, [so, ms]);
  return so && lasted;
}
