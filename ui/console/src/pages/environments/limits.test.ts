import { expect, it } from 'vitest';
import { limitsOf } from './environments';

const none = { maxCpu: null, maxMemory: null, maxReplicas: null, maxDeployedVersionsPerModel: null };

it('says what an environment allows, and nothing of what it does not limit', () => {
  expect(limitsOf(none)).toEqual(['no limit']);
  expect(limitsOf({ ...none, maxCpu: '500m' })).toEqual(['0.5 CPU a pod']);
  expect(limitsOf({ maxCpu: '4', maxMemory: '8Gi', maxReplicas: 5, maxDeployedVersionsPerModel: 1 })).toEqual([
    '4 CPU, 8 GiB a pod',
    '5 pods a version',
    '1 version a model',
  ]);
});
