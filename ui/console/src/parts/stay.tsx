// Whoever leaves the page with something typed is asked once, since it would be gone.
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useBlocker } from 'react-router';
import { askFirst } from '@/shell/leaving';

/** `unsaved` says whether there is anything to lose; `children` what that is. An address of the same page is no leaving. */
export function Stay({ unsaved, children }: { unsaved: boolean; children: string }) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => unsaved && currentLocation.pathname !== nextLocation.pathname,
  );
  const [held, setHeld] = useState<{ go: () => void }>();
  useEffect(() => (unsaved ? askFirst((go) => setHeld({ go })) : undefined), [unsaved]);
  const stay = () => {
    setHeld(undefined);
    blocker.reset?.();
  };
  const leave = () => {
    setHeld(undefined);
    held?.go();
    blocker.proceed?.();
  };
  const isAsked = blocker.state === 'blocked' || held !== undefined;
  return (
    <Modal opened={isAsked} onClose={stay} title={<Text fw={650}>Leave this page?</Text>}>
      <Stack>
        <Text size="sm">{children}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={stay} data-autofocus>
            Stay
          </Button>
          <Button color="red" onClick={leave}>
            Leave
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
