// Short words in a corner, gone by themselves: what was done, and what was refused when its page was gone.
import { Notification } from '@mantine/core';
import { IconAlertCircle, IconCheck } from '@tabler/icons-react';
import { useSyncExternalStore } from 'react';

type Notice = { id: number; message: string; refused: boolean };

const SHOWN_MS = 4_000;
const REFUSED_MS = 12_000;
const MOST = 4;
let notices: Notice[] = [];
let next = 0;
const watching = new Set<() => void>();

function become(changed: Notice[]): void {
  notices = changed.slice(-MOST);
  for (const tell of [...watching]) tell();
}

const close = (id: number) => become(notices.filter((each) => each.id !== id));

export const notify = (message: string): void => show(message, false);

export const notifyOfRefusal = (message: string): void => show(message, true);

function show(message: string, refused: boolean): void {
  const id = next++;
  become([...notices, { id, message, refused }]);
  setTimeout(() => close(id), refused ? REFUSED_MS : SHOWN_MS);
}

const watch = (tell: () => void) => {
  watching.add(tell);
  return () => watching.delete(tell);
};

export function Notices() {
  const shown = useSyncExternalStore(watch, () => notices);
  return (
    <div className="notices" role="status">
      {shown.map(({ id, message, refused }) => (
        <Notification
          key={id}
          color={refused ? 'red.8' : 'green.8'}
          icon={refused ? <IconAlertCircle size={16} /> : <IconCheck size={16} />}
          withBorder
          onClose={() => close(id)}
          closeButtonProps={{ 'aria-label': 'Close' }}
        >
          {message}
        </Notification>
      ))}
    </div>
  );
}
