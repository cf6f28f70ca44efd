import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useAct } from '@/graphql/act';
import { CreateModelDocument } from '@/graphql/generated';
import { useArrival } from '@/parts/arrival';
import { FocusReturn } from '@/parts/focus-return';
import { useKept } from '@/parts/kept';
import { nameProblem } from '@/parts/names';
import { Refusals } from '@/parts/problems';
import { paths } from '@/paths';

const LONGEST = 25;
const EMPTY = { name: '', description: '', type: 'mlflow' };

/** A dialog that makes a model and opens it. */
export default function NewModelForm({
  close,
  projectId,
  project,
}: {
  close: () => void;
  projectId: string;
  project: string;
}) {
  const [form, setForm] = useState(EMPTY);
  const create = useAct(CreateModelDocument);
  const { arrive, arriving } = useArrival();
  const kept = useKept(JSON.stringify(form) !== JSON.stringify(EMPTY));
  const wrong = nameProblem(form.name, LONGEST, { letterFirst: true });
  const change = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((now) => ({ ...now, [key]: value }));
    create.forget();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const made = await create.act({ projectId, ...form });
    if (made?.model) arrive(paths.model(project, made.model.name));
  };
  return (
    <Modal opened onClose={close} {...kept} title={<Text fw={650}>New model in {project}</Text>}>
      <FocusReturn />
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            description="Part of its address, for ever."
            value={form.name}
            onChange={change('name')}
            error={create.at('name') ?? (form.name ? wrong : undefined)}
            required
            data-autofocus
            autoComplete="off"
          />
          <TextInput
            label="What it is for"
            value={form.description}
            onChange={change('description')}
            error={create.at('description')}
          />
          <TextInput label="Type" value={form.type} onChange={change('type')} error={create.at('type')} required />
          <Refusals problems={create.problems} shown={['name', 'description', 'type']} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={create.busy || arriving} disabled={form.name === '' || wrong !== undefined}>
              Create model
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
