/**
 * API objects of the simulated kinds, in the Kubernetes API's own shape and field names.
 *
 * This is the stored form: defaulted and validated, so what the API server always sets is required here.
 * Objects are immutable values shared by reference. Quantities stay strings, as users write them.
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/
 */
export type Labels = Readonly<Record<string, string>>
export type Uid = string
/** RFC 3339 in whole seconds, as written by the API server's clock. */
export type Time = string
/** A Kubernetes quantity: '100m', '128Mi', '2'. */
export type Quantity = string
/** A whole number, or a percentage such as '25%'. */
export type IntOrPercent = number | string

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: Uid
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  readonly name: string
  /** Absent on cluster-scoped kinds. */
  readonly namespace?: string
  readonly generateName?: string
  readonly uid: Uid
  /** The store's modification revision of the key, in decimal. Absent in the stored form, set on all that is read. */
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp: Time
  readonly deletionTimestamp?: Time
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Labels
  readonly annotations?: Labels
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
}

export interface ApiObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: Time
  readonly lastUpdateTime?: Time
  readonly lastHeartbeatTime?: Time
}

export interface LabelSelectorRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[]
}
export interface LabelSelector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly LabelSelectorRequirement[]
}

// Pods

export interface ResourceList {
  readonly [resource: string]: Quantity
}
export interface Probe {
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
  /** Of a container that is stopped on its account, instead of the pod's. */
  readonly terminationGracePeriodSeconds?: number
}
/** What is run in a container, or asked of it, right after its start or before its stop. */
export interface LifecycleHandler {
  readonly exec?: { readonly command?: readonly string[] }
  readonly sleep?: { readonly seconds: number }
  readonly [other: string]: unknown
}
export interface Container {
  readonly name: string
  readonly image?: string
  readonly ports?: readonly {
    readonly containerPort: number
    readonly name?: string
    readonly protocol?: string
    readonly hostPort?: number
    readonly hostIP?: string
  }[]
  readonly resources?: { readonly requests?: ResourceList; readonly limits?: ResourceList }
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
  readonly startupProbe?: Probe
  readonly lifecycle?: { readonly postStart?: LifecycleHandler; readonly preStop?: LifecycleHandler }
  readonly env?: readonly EnvVar[]
  readonly envFrom?: readonly {
    readonly configMapRef?: LocalRef
    readonly secretRef?: LocalRef
  }[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
  readonly restartPolicy?: 'Always'
  readonly [other: string]: unknown
}
export interface LocalRef {
  readonly name: string
  readonly optional?: boolean
}
export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly configMapKeyRef?: LocalRef & { readonly key: string }
    readonly secretKeyRef?: LocalRef & { readonly key: string }
    readonly [other: string]: unknown
  }
}
export type TaintEffect = 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
export interface Toleration {
  readonly key?: string
  /** Lt and Gt compare whole numbers (KEP-5471). */
  readonly operator?: 'Exists' | 'Equal' | 'Lt' | 'Gt'
  readonly value?: string
  readonly effect?: TaintEffect
  readonly tolerationSeconds?: number
}
export interface NodeSelectorRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  readonly values?: readonly string[]
}
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[]
  readonly matchFields?: readonly NodeSelectorRequirement[]
}
export interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] }
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number
    readonly preference: NodeSelectorTerm
  }[]
}
export interface PodAffinityTerm {
  readonly labelSelector?: LabelSelector
  readonly topologyKey: string
  readonly namespaces?: readonly string[]
  /** Empty: all namespaces. Absent: none but those named. */
  readonly namespaceSelector?: LabelSelector
}
/** Of either kind: affinity and anti-affinity have one shape. */
export interface PodAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[]
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number
    readonly podAffinityTerm: PodAffinityTerm
  }[]
}
export interface TopologySpreadConstraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'
  readonly labelSelector?: LabelSelector
  readonly minDomains?: number
  readonly nodeAffinityPolicy?: 'Honor' | 'Ignore'
  readonly nodeTaintsPolicy?: 'Honor' | 'Ignore'
  readonly matchLabelKeys?: readonly string[]
}
/** A volume of a pod: the kinds whose place matters to a scheduler. */
export interface Volume {
  readonly name: string
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean }
  readonly ephemeral?: unknown
  readonly gcePersistentDisk?: { readonly pdName: string; readonly readOnly?: boolean }
  readonly awsElasticBlockStore?: { readonly volumeID: string; readonly readOnly?: boolean }
  readonly iscsi?: { readonly iqn: string; readonly readOnly?: boolean }
  readonly rbd?: { readonly monitors: readonly string[]; readonly image: string; readonly pool?: string; readonly readOnly?: boolean }
  readonly [other: string]: unknown
}
export type PreemptionPolicy = 'PreemptLowerPriority' | 'Never'
export interface PodSpec {
  /** Empty or absent until bound. */
  readonly nodeName?: string
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
  readonly terminationGracePeriodSeconds: number
  readonly nodeSelector?: Labels
  readonly affinity?: {
    readonly nodeAffinity?: NodeAffinity
    readonly podAffinity?: PodAffinity
    readonly podAntiAffinity?: PodAffinity
  }
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[]
  readonly tolerations?: readonly Toleration[]
  readonly schedulerName: string
  readonly hostname?: string
  readonly subdomain?: string
  readonly schedulingGates?: readonly { readonly name: string }[]
  readonly priorityClassName?: string
  readonly priority?: number
  readonly preemptionPolicy?: PreemptionPolicy
  readonly overhead?: ResourceList
  readonly volumes?: readonly Volume[]
  readonly serviceAccountName?: string
  /** Its name of old. */
  readonly serviceAccount?: string
  readonly automountServiceAccountToken?: boolean
  readonly imagePullSecrets?: readonly { readonly name: string }[]
  readonly [other: string]: unknown
}
export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
export interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly started?: boolean
  readonly restartCount: number
  readonly containerID?: string
  readonly state: {
    readonly waiting?: { readonly reason: string; readonly message?: string }
    readonly running?: { readonly startedAt: Time }
    readonly terminated?: { readonly exitCode: number; readonly reason: string; readonly finishedAt: Time }
  }
}
export interface PodStatus {
  readonly phase: PodPhase
  readonly reason?: string
  readonly message?: string
  readonly podIP?: string
  readonly hostIP?: string
  readonly startTime?: Time
  /** The node that preemption makes room on for it. */
  readonly nominatedNodeName?: string
  readonly qosClass?: 'Guaranteed' | 'Burstable' | 'BestEffort'
  readonly conditions?: readonly Condition[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses?: readonly ContainerStatus[]
}
export interface Pod extends ApiObject {
  readonly kind: 'Pod'
  readonly spec: PodSpec
  readonly status: PodStatus
}
export interface PodTemplateSpec {
  readonly metadata: { readonly labels?: Labels; readonly annotations?: Labels }
  readonly spec: PodSpec
}

// Nodes

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: TaintEffect
  readonly timeAdded?: Time
}
export interface Node extends ApiObject {
  readonly kind: 'Node'
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly Taint[]; readonly podCIDR?: string }
  readonly status: {
    readonly capacity: ResourceList
    readonly allocatable: ResourceList
    readonly conditions: readonly Condition[]
    readonly addresses?: readonly { readonly type: string; readonly address: string }[]
    readonly images?: readonly { readonly names?: readonly string[]; readonly sizeBytes?: number }[]
    readonly nodeInfo?: { readonly bootID: string; readonly kubeletVersion: string }
    /** What its kubelet mounts, or is about to; and what is attached to it, as the attach/detach controller says. */
    readonly volumesInUse?: readonly string[]
    readonly volumesAttached?: readonly { readonly name: string; readonly devicePath: string }[]
  }
}
/** Times of a Lease are RFC 3339 with microseconds and are compared by change only, never with a local clock. */
export interface Lease extends ApiObject {
  readonly kind: 'Lease'
  readonly spec: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: Time
    readonly renewTime?: Time
    readonly leaseTransitions?: number
  }
}

// Workloads

export interface ReplicaSet extends ApiObject {
  readonly kind: 'ReplicaSet'
  readonly spec: {
    readonly replicas: number
    readonly minReadySeconds?: number
    readonly selector: LabelSelector
    readonly template: PodTemplateSpec
  }
  readonly status: {
    readonly replicas: number
    readonly fullyLabeledReplicas?: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    /** Pods with a deletionTimestamp that have not gone yet (KEP-3973). */
    readonly terminatingReplicas?: number
    readonly observedGeneration?: number
    readonly conditions?: readonly Condition[]
  }
}
export interface Deployment extends ApiObject {
  readonly kind: 'Deployment'
  readonly spec: {
    readonly replicas: number
    readonly minReadySeconds?: number
    readonly paused?: boolean
    readonly progressDeadlineSeconds?: number
    readonly revisionHistoryLimit?: number
    /** KEP-3973: TerminationComplete counts terminating pods against the surge; default TerminationStarted. */
    readonly podReplacementPolicy?: 'TerminationStarted' | 'TerminationComplete'
    readonly selector: LabelSelector
    readonly strategy: {
      readonly type: 'RollingUpdate' | 'Recreate'
      readonly rollingUpdate?: { readonly maxSurge: IntOrPercent; readonly maxUnavailable: IntOrPercent }
    }
    readonly template: PodTemplateSpec
  }
  readonly status: {
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    readonly unavailableReplicas?: number
    readonly terminatingReplicas?: number
    readonly observedGeneration?: number
    readonly collisionCount?: number
    readonly conditions?: readonly Condition[]
  }
}

// Services

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly protocol: string
  readonly targetPort: number | string
  readonly nodePort?: number
}
export interface Service extends ApiObject {
  readonly kind: 'Service'
  readonly spec: {
    readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
    /** 'None' for a headless service, absent for ExternalName. */
    readonly clusterIP?: string
    readonly externalName?: string
    readonly selector?: Labels
    readonly ports?: readonly ServicePort[]
    readonly publishNotReadyAddresses?: boolean
    readonly sessionAffinity?: 'None' | 'ClientIP'
    readonly [other: string]: unknown
  }
}
export interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean }
  readonly nodeName?: string
  readonly targetRef?: { readonly kind: string; readonly namespace: string; readonly name: string; readonly uid: Uid }
}
export interface EndpointSlice extends ApiObject {
  readonly kind: 'EndpointSlice'
  readonly addressType: 'IPv4'
  readonly endpoints: readonly Endpoint[]
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
}

// What a scheduler asks about storage

export interface PersistentVolume extends ApiObject {
  readonly kind: 'PersistentVolume'
  readonly spec: {
    readonly capacity?: ResourceList
    readonly accessModes?: readonly string[]
    readonly storageClassName?: string
    readonly volumeMode?: string
    readonly claimRef?: { readonly namespace: string; readonly name: string; readonly uid?: Uid }
    readonly persistentVolumeReclaimPolicy?: 'Retain' | 'Delete' | 'Recycle'
    readonly nodeAffinity?: { readonly required?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] } }
    readonly csi?: { readonly driver: string; readonly volumeHandle: string }
    readonly [other: string]: unknown
  }
  readonly status?: { readonly phase?: string; readonly message?: string }
}
export interface PersistentVolumeClaim extends ApiObject {
  readonly kind: 'PersistentVolumeClaim'
  readonly spec: {
    readonly storageClassName?: string
    readonly volumeName?: string
    readonly accessModes?: readonly string[]
    readonly volumeMode?: string
    readonly selector?: LabelSelector
    readonly resources?: { readonly requests?: ResourceList }
  }
  readonly status?: { readonly phase?: string; readonly accessModes?: readonly string[]; readonly capacity?: ResourceList }
}
export interface StorageClass extends ApiObject {
  readonly kind: 'StorageClass'
  readonly provisioner: string
  readonly reclaimPolicy?: 'Retain' | 'Delete'
  readonly volumeBindingMode?: 'Immediate' | 'WaitForFirstConsumer'
  readonly allowVolumeExpansion?: boolean
  readonly allowedTopologies?: readonly {
    readonly matchLabelExpressions?: readonly { readonly key: string; readonly values: readonly string[] }[]
  }[]
}
export interface CSINode extends ApiObject {
  readonly kind: 'CSINode'
  readonly spec: {
    readonly drivers: readonly { readonly name: string; readonly nodeID: string; readonly allocatable?: { readonly count?: number } }[]
  }
}
/** What the pods that name it are worth, and whether they push others out. */
export interface PriorityClass extends ApiObject {
  readonly kind: 'PriorityClass'
  readonly value: number
  /** Also of the pods that name none. */
  readonly globalDefault?: boolean
  readonly preemptionPolicy?: PreemptionPolicy
  readonly description?: string
}

// Plain data

export interface Namespace extends ApiObject {
  readonly kind: 'Namespace'
  /** Who has still to say that all its contents are gone. */
  readonly spec?: { readonly finalizers?: readonly string[] }
  readonly status: { readonly phase: 'Active' | 'Terminating'; readonly conditions?: readonly Condition[] }
}
export interface ConfigMap extends ApiObject {
  readonly kind: 'ConfigMap'
  readonly data?: Labels
}
