import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useAct } from '@/graphql/act';
import { CreateProjectDocument } from '@/graphql/generated';
import { useArrival } from '@/parts/arrival';
import { FocusReturn } from '@/parts/focus-return';
import { useKept } from '@/parts/kept';
import { Refusals } from '@/parts/problems';
import { nameProblem } from '@/parts/names';
import { paths } from '@/paths';

const LONGEST = 32;

/** A dialog that makes a project and opens it. */
export default function NewProjectForm({ close }: { close: () => void }) {
  const [form, setForm] = useState({ name: '', description: '', team: '' });
  const create = useAct(CreateProjectDocument);
  const { arrive, arriving } = useArrival();
  const kept = useKept(Object.values(form).some(Boolean));
  const wrong = nameProblem(form.name, LONGEST);
  const change = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((now) => ({ ...now, [key]: value }));
    create.forget();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const made = await create.act({ name: form.name, description: form.description, team: form.team });
    if (made?.project) arrive(paths.project(made.project.name));
  };
  return (
    <Modal opened onClose={close} {...kept} title={<Text fw={650}>New project</Text>}>
      <FocusReturn />
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            description="Part of every address and namespace of it, for ever."
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
          <TextInput label="Team" value={form.team} onChange={change('team')} error={create.at('team')} />
          <Refusals problems={create.problems} shown={['name', 'description', 'team']} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={create.busy || arriving} disabled={form.name === '' || wrong !== undefined}>
              Create project
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
