// Where an act leads to once it is done.
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';

/** `arrive` goes to an address, unless the component is gone by then: who has left is not pulled from where they are. */
export function useArrival(): { arrive: (to: string) => void; arriving: boolean } {
  const [to, arrive] = useState<string>();
  const navigate = useNavigate();
  // After Stay's own effect, which lets it through by then.
  useEffect(() => {
    if (to !== undefined) void navigate(to);
  }, [to, navigate]);
  return { arrive, arriving: to !== undefined };
}
