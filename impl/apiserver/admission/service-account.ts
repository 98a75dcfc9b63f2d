/**
 * A pod runs as a service account, by default as that of its namespace, which has to be there; it gets the account's token, and
 * its secrets to pull images with.
 *
 * What the volume holds is made by the kubelet, and nobody here reads it. Source: kubernetes/kubernetes
 * plugin/pkg/admission/serviceaccount/admission.go. Left out: mirror pods, and accounts whose pods may mount certain secrets only.
 */
import type { Container, Pod, Volume } from '../../../model/state/objects.ts'
import { keyOf } from '../../../model/state/resources.ts'
import type { ServiceAccount } from '../../../model/state/service-account.ts'
import type { Task } from '../../task.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin, Neighbours } from './plugin.ts'

const DEFAULT = 'default'
/** A namespace that was just made gets its default account in a moment. */
const ATTEMPTS_MOST = 10
const RETRY_MS = 150

const VOLUME = 'kube-api-access-'
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
/** The kubelet renews it after 80 % of an hour. */
const EXPIRES_SECONDS = 3_607
const PROJECTED = {
  defaultMode: 0o644,
  sources: [
    { serviceAccountToken: { expirationSeconds: EXPIRES_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
  ],
}

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  *create({ resource, object, author }, neighbours) {
    if (resource.resource !== 'pods') return object
    const pod = object as Pod
    const name = pod.spec.serviceAccountName || pod.spec.serviceAccount || DEFAULT
    const account = yield* find(pod, name, author, neighbours)
    const named = { ...pod, spec: { ...pod.spec, serviceAccountName: name, serviceAccount: name } }
    return withPullSecrets(mountsToken(pod, account) ? withToken(named, neighbours) : named, account)
  },
}

function* find(pod: Pod, name: string, author: string, neighbours: Neighbours): Task<ServiceAccount> {
  const { namespace } = pod.metadata
  const key = keyOf('serviceaccounts', namespace, name)
  for (let attempt = name === DEFAULT ? 1 : ATTEMPTS_MOST; ; attempt++) {
    const found = neighbours.cached('serviceaccounts', key) ?? (yield* neighbours.read(key, author))
    if (found !== undefined) return found as ServiceAccount
    if (attempt === ATTEMPTS_MOST) {
      const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`
      throw new Refusal(forbidden(`pods "${pod.metadata.name}" is forbidden: ${why}`))
    }
    yield* neighbours.pause(RETRY_MS)
  }
}

/** The pod has the last word. */
const mountsToken = ({ spec }: Pod, account: ServiceAccount): boolean =>
  spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true

/** In each container that has nothing mounted there. */
const withToken = (pod: Pod, neighbours: Neighbours): Pod => {
  const { spec } = pod
  const found = spec.volumes?.find(({ name, projected }) => name.startsWith(VOLUME) && projected !== undefined)
  const volume: Volume = found ?? { name: `${VOLUME}${neighbours.suffix()}`, projected: PROJECTED }
  const mount = { name: volume.name, readOnly: true, mountPath: MOUNT_PATH }
  let mounted = false
  const mounting = (container: Container): Container => {
    const { volumeMounts = [] } = container
    if (volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH)) return container
    mounted = true
    return { ...container, volumeMounts: [...volumeMounts, mount] }
  }
  const containers = spec.containers.map(mounting)
  const initContainers = spec.initContainers?.map(mounting)
  if (!mounted) return pod
  const volumes = found === undefined ? [...(spec.volumes ?? []), volume] : spec.volumes
  return {
    ...pod,
    spec: {
      ...spec,
      containers,
      ...(initContainers === undefined ? {} : { initContainers }),
      ...(volumes === undefined ? {} : { volumes }),
    },
  }
}

const withPullSecrets = (pod: Pod, { imagePullSecrets = [] }: ServiceAccount): Pod =>
  imagePullSecrets.length === 0 || (pod.spec.imagePullSecrets ?? []).length > 0 ? pod : { ...pod, spec: { ...pod.spec, imagePullSecrets } }
