import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { Suspense, useRef, useState } from 'react';
import { lazy } from '@/shell/chunks';

// Loaded when it is wanted: dialogs and forms weigh, and the page is often only looked at.
const NewProjectForm = lazy(() => import('./new-project-form'));

export function NewProject() {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <Button ref={button} size="xs" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setOpen(true)}>
        New project
      </Button>
      {open && (
        <Suspense>
          <NewProjectForm close={close} />
        </Suspense>
      )}
    </>
  );
}
