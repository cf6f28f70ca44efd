import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { Suspense, useState } from 'react';
import { lazy } from '@/shell/chunks';

// Loaded when it is wanted: dialogs and forms weigh, and the page is often only looked at.
const NewModelForm = lazy(() => import('./new-model-form'));

export function NewModel(props: { projectId: string; project: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="xs" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setOpen(true)}>
        New model
      </Button>
      {open && (
        <Suspense>
          <NewModelForm {...props} close={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
