import { Timeline } from '@/parts/timeline';
import type { Of } from './model';

/** What happened to a model and to all that belongs to it. */
export default function Activity({ project, model, modelId }: Of) {
  if (!modelId) return null;
  return <Timeline about={{ project, model }} subject={modelId} />;
}
