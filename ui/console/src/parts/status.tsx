// Where things stand, by an icon and a word; never by colour alone.
import { Group, Text, Tooltip } from '@mantine/core';
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleX,
  IconHelpCircle,
  IconLoader2,
  IconPlayerStop,
  IconRouteAltLeft,
  type Icon,
} from '@tabler/icons-react';
import type {
  EndpointStatusFragment,
  ModelEndpointStatus,
  RevisionStatus,
  Severity,
  VersionState,
} from '@/graphql/generated';
import { useNewest } from '@/graphql/newest';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'off';

export function Badge(props: { tone: Tone; word: string; icon?: Icon; more?: string; spin?: boolean }) {
  const Shape = props.icon ?? icons[props.tone];
  const badge = (
    <Group gap={5} wrap="nowrap" component="span" display="inline-flex" style={{ verticalAlign: 'middle' }}>
      <Shape
        size={16}
        color={`var(--merlin-${props.tone})`}
        className={(props.spin ?? props.tone === 'busy') ? 'spin' : undefined}
        aria-hidden
        style={{ flexShrink: 0 }}
      />
      <Text span size="sm" style={{ whiteSpace: 'nowrap' }}>
        {props.word}
      </Text>
    </Group>
  );
  return props.more ? (
    // No stop for the Tab key, of which a list would have dozens: what it is of leads to a page that says it.
    <Tooltip label={props.more} multiline maw={360} events={{ hover: true, focus: false, touch: true }}>
      <span style={{ position: 'relative' }}>
        {badge}
        <span className="unseen"> ({props.more})</span>
      </span>
    </Tooltip>
  ) : (
    badge
  );
}

const icons: Record<Tone, Icon> = {
  good: IconCircleCheck,
  busy: IconLoader2,
  warn: IconAlertTriangle,
  bad: IconCircleX,
  off: IconCircleDashed,
};

type Endpoint = Pick<
  EndpointStatusFragment,
  'lifecycle' | 'desired' | 'progressing' | 'healthy' | 'servingWeight' | 'message' | 'failure'
>;

/** The one word for a version endpoint: what is under way comes before what is. */
export function statusOf(endpoint: Endpoint): { tone: Tone; word: string } {
  const { lifecycle, progressing, desired, healthy } = endpoint;
  if (progressing && desired === 'TERMINATED') return { tone: 'busy', word: 'Removing' };
  if (lifecycle === 'PENDING') return { tone: 'busy', word: 'Deploying' };
  if (lifecycle === 'FAILED') return { tone: 'bad', word: 'Failed' };
  if (lifecycle === 'TERMINATED') return { tone: 'off', word: 'Undeployed' };
  if (!healthy) return { tone: 'warn', word: lifecycle === 'SERVING' ? 'Serving, unhealthy' : 'Unhealthy' };
  if (progressing) return { tone: 'busy', word: lifecycle === 'SERVING' ? 'Serving, redeploying' : 'Redeploying' };
  return lifecycle === 'SERVING' ? { tone: 'good', word: 'Serving' } : { tone: 'good', word: 'Running' };
}

/** Why it is so: the failure's cause, else what it waits for; empty when there is nothing to say. */
export function whyOf({ failure, message }: Pick<Endpoint, 'failure' | 'message'>): string {
  return failure ? `${failure.code}: ${failure.message}` : message;
}

type Known = Endpoint & Pick<EndpointStatusFragment, 'id' | 'updatedAt'>;

/** As it is now; `where` names the environment, for a place that shows those of several. */
export function EndpointBadge({ endpoint: read, where }: { endpoint: Known; where?: string }) {
  const endpoint = useNewest(read);
  const { tone, word } = statusOf(endpoint);
  const share = endpoint.servingWeight > 0 && endpoint.servingWeight < 100 ? ` ${endpoint.servingWeight} %` : '';
  const more = whyOf(endpoint);
  const icon = tone === 'good' && endpoint.lifecycle === 'SERVING' ? IconRouteAltLeft : undefined;
  return <Badge tone={tone} word={word + share + inPlace(where)} icon={icon} more={more || undefined} />;
}

const models: Record<ModelEndpointStatus, { tone: Tone; word: string; icon?: Icon }> = {
  SERVING: { tone: 'good', word: 'Serving', icon: IconRouteAltLeft },
  PENDING: { tone: 'busy', word: 'Starting to serve' },
  STOPPED: { tone: 'off', word: 'Stopped', icon: IconPlayerStop },
};

const inPlace = (where: string | undefined) => (where === undefined ? '' : ` in ${where}`);

type ModelEndpoint = {
  status: ModelEndpointStatus;
  progressing: boolean;
  message: string;
  failure: { code: string; message: string } | null;
};

export function ModelEndpointBadge({ endpoint, where }: { endpoint: ModelEndpoint; where?: string }) {
  const { status, progressing, message, failure } = endpoint;
  const place = inPlace(where);
  if (failure) return <Badge tone="bad" word={failure.code + place} more={failure.message} />;
  if (progressing && status === 'SERVING')
    return <Badge tone="busy" word={`Switching${place}`} more={message || undefined} />;
  const { word, ...looks } = models[status];
  return <Badge {...looks} word={word + place} more={message || undefined} />;
}

/** Those of one model; of several it is said where each is. */
export function ModelEndpointBadges(props: {
  endpoints: (ModelEndpoint & { id: string; environment: { name: string } })[];
}) {
  const { endpoints } = props;
  const where = (name: string) => (endpoints.length > 1 ? name : undefined);
  return endpoints.map((endpoint) => (
    <ModelEndpointBadge key={endpoint.id} endpoint={endpoint} where={where(endpoint.environment.name)} />
  ));
}

const revisions: Record<RevisionStatus, { tone: Tone; word: string }> = {
  QUEUED: { tone: 'busy', word: 'Queued' },
  STARTING: { tone: 'busy', word: 'Starting' },
  READY: { tone: 'busy', word: 'Ready' },
  ACTIVE: { tone: 'good', word: 'Active' },
  DRAINING: { tone: 'off', word: 'Draining' },
  REMOVED: { tone: 'off', word: 'Removed' },
  FAILED: { tone: 'bad', word: 'Failed' },
  CANCELLED: { tone: 'off', word: 'Cancelled' },
  SUPERSEDED: { tone: 'off', word: 'Superseded' },
};

export function RevisionBadge({ status, more }: { status: RevisionStatus; more?: string }) {
  return <Badge {...revisions[status]} more={more} />;
}

export function VersionStateBadge({ state }: { state: VersionState }) {
  return state === 'FINISHED' ? (
    <Badge tone="good" word="Finished" />
  ) : (
    <Badge tone="off" word="Open" more="Its model is not logged yet, so it cannot be deployed." />
  );
}

export function Reachable({ reachable, what }: { reachable: boolean | null; what?: string }) {
  const prefix = what ? `${what} ` : '';
  if (reachable === null) return <Badge tone="off" word={`${prefix}not seen yet`} icon={IconHelpCircle} />;
  return reachable ? (
    <Badge tone="good" word={`${prefix}${what?.endsWith('s') ? 'answer' : 'answers'}`} />
  ) : (
    <Badge tone="bad" word={what?.endsWith('s') ? 'A cluster does not answer' : `${prefix}does not answer`} />
  );
}

const severities: Record<Severity, { tone: Tone; word: string }> = {
  INFO: { tone: 'off', word: 'Info' },
  WARNING: { tone: 'warn', word: 'Warning' },
  ERROR: { tone: 'bad', word: 'Error' },
};

export function SeverityBadge({ severity }: { severity: Severity }) {
  if (severity === 'INFO') return <span className="unseen">Info</span>;
  return <Badge {...severities[severity]} spin={false} />;
}
