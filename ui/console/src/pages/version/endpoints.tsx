// Where the version runs: one line for each environment, live.
import { Anchor, Button, Table, Text } from '@mantine/core';
import { Link } from 'react-router';
import { Copyable } from '@/parts/copy';
import { useFocusThatStays } from '@/parts/focus-stays';
import { None, Panel } from '@/parts/panel';
import { ServeButton, servingNow } from '@/parts/serve';
import { EndpointBadge } from '@/parts/status';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import type { Environment, Model, Of } from './version';

export function Endpoints(props: { of: Of; environments: Environment[]; traffic: Model['endpoints']['nodes'] }) {
  const { of, environments, traffic } = props;
  const { project, model, version, editable } = of;
  const there = version.endpoints.nodes;
  const rows = environments.filter((each) => !each.detached || there.some((e) => e.environment.id === each.id));
  const focus = useFocusThatStays<HTMLTableElement>((table) => table);
  return (
    <Panel title="Endpoints">
      {version.state === 'OPEN' && <None>It can be deployed once its model is logged and it is finished.</None>}
      <Table.ScrollContainer minWidth={620} type="native">
        <Table aria-label="Endpoints" tabIndex={-1} {...focus}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Environment</Table.Th>
              <Table.Th>Status</Table.Th>
              <Table.Th>Address</Table.Th>
              <Table.Th className="number">Traffic</Table.Th>
              <Table.Th className="number">Revision</Table.Th>
              <Table.Th className="number">Changed</Table.Th>
              {editable && (
                <Table.Th w={140}>
                  <span className="unseen">What can be done</span>
                </Table.Th>
              )}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((environment) => {
              const endpoint = there.find((each) => each.environment.id === environment.id);
              const now = servingNow(traffic.find((each) => each.environment.id === environment.id));
              return (
                <Table.Tr key={environment.id}>
                  <Table.Td>
                    <Anchor
                      component={Link}
                      size="sm"
                      to={
                        endpoint
                          ? paths.endpoint(project, model, version.number, environment.name)
                          : paths.environment(environment.name)
                      }
                    >
                      {environment.name}
                    </Anchor>
                  </Table.Td>
                  {endpoint ? (
                    <>
                      <Table.Td>
                        <EndpointBadge endpoint={endpoint} />
                      </Table.Td>
                      <Table.Td maw={320}>
                        <Copyable text={endpoint.url} what="Copy the URL" />
                      </Table.Td>
                      <Table.Td className="number">
                        {endpoint.servingWeight > 0 ? `${endpoint.servingWeight} %` : '–'}
                      </Table.Td>
                      <Table.Td className="number">
                        {(endpoint.activeRevision ?? endpoint.targetRevision)?.number ?? '–'}
                      </Table.Td>
                      <Table.Td className="number">
                        <When at={endpoint.updatedAt} />
                      </Table.Td>
                      {editable && (
                        <Table.Td className="number">
                          {endpoint.lifecycle === 'RUNNING' && endpoint.desired !== 'TERMINATED' && (
                            <ServeButton
                              {...{ model, now }}
                              number={version.number}
                              environment={environment.name}
                              endpointId={endpoint.id}
                              variant="default"
                            />
                          )}
                        </Table.Td>
                      )}
                    </>
                  ) : (
                    <Table.Td colSpan={editable ? 6 : 5}>
                      <Text size="sm" c="dimmed" span>
                        Not deployed{' '}
                      </Text>
                      {editable && version.state === 'FINISHED' && (
                        <Button
                          component={Link}
                          size="compact-xs"
                          variant="subtle"
                          to={paths.deploy(project, model, version.number, environment.name)}
                        >
                          Choose settings …
                        </Button>
                      )}
                    </Table.Td>
                  )}
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Panel>
  );
}
