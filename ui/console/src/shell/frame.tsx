import { Mark } from './mark';

/** What stands at the top of every page, as long as nothing is known of who asks. `index.html` has the same. */
export function Frame() {
  return (
    <header className="frame">
      <div>
        <Mark />
        <span>Merlin</span>
      </div>
    </header>
  );
}
