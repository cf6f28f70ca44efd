import { useNavigation } from 'react-router';
import { useLasting } from './lasting';

const PATIENCE_MS = 150;

/** A thin line at the top while the next page is on its way, once that has lasted. */
export function Progress() {
  const shown = useLasting(useNavigation().state !== 'idle', PATIENCE_MS);
  return (
    <div role="status">
      {shown && (
        <>
          <div className="progress" />
          <span className="unseen">The page is on its way …</span>
        </>
      )}
    </div>
  );
}
