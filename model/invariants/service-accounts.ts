/** Tokens of service accounts: for whom they are made, and when they go. SEMANTICS 2.3. */
import { claimsOf } from '../components/service-account-tokens.ts'
import type { Context, Invariant } from '../invariant.ts'
import { keyOf, prefixOf } from '../state/resources.ts'
import { ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE, type Secret, type ServiceAccount } from '../state/service-account.ts'
import { deciding, eachCommit, keyOfRef, objectOf, safety, settles } from './define.ts'

const CONTROLLER = 'kubernetes pkg/controller/serviceaccount/tokens_controller.go'
const MANAGER = 'kube-controller-manager'

const isToken = (secret: Secret | undefined): secret is Secret => secret?.type === TOKEN_TYPE

/** The account of that name at any moment since the secret was made, newest last; null: there was none. */
const accountsSince = ({ history }: Context, secret: Secret, name: string): readonly (ServiceAccount | null)[] => {
  const own = history.versions(keyOf('secrets', secret.metadata.namespace, secret.metadata.name))
  const born = own.find(({ after }) => objectOf<Secret>(after)?.metadata.uid === secret.metadata.uid)?.revision ?? 0
  const key = keyOf('serviceaccounts', secret.metadata.namespace, name)
  const then = objectOf<ServiceAccount>(history.at(key, born)) ?? null
  const since = history.versions(key).filter(({ revision }) => revision > born)
  return [then, ...since.map(({ after }) => objectOf<ServiceAccount>(after) ?? null)]
}

const madeFor = eachCommit(
  {
    id: 'SA-S2',
    sentence: 'a token is made for the account that its secret names, and says so: by namespace, name and uid',
    source: CONTROLLER,
    sometimes: 'one is made',
    ...safety,
  },
  'secrets',
  ({ before, after, key, author }, context) => {
    const [was, is] = [objectOf<Secret>(before), objectOf<Secret>(after)]
    if (!isToken(is) || !author.startsWith(MANAGER) || was?.data?.['token'] === is.data?.['token']) return 'vacuous'
    const { namespace = '', annotations = {} } = is.metadata
    const { [ACCOUNT_NAME]: name = '', [ACCOUNT_UID]: uid } = annotations
    const claims = claimsOf(is)
    const told = claims?.['kubernetes.io/serviceaccount/service-account.uid']
    const wrong =
      claims?.sub !== `system:serviceaccount:${namespace}:${name}` ||
      told !== uid ||
      (was?.metadata.annotations?.[ACCOUNT_UID] ?? uid) !== uid
    if (wrong)
      return {
        why: `${author} fills ${key}, which is for ${namespace}/${name} of uid ${uid}, with a token for ${claims?.sub} of uid ${told}`,
      }
    // It may be gone by now, for all that the controller saw: then so is the token, soon.
    const versions = context.history.versions(keyOf('serviceaccounts', namespace, name))
    const known = versions.some(({ after: account }) => objectOf<ServiceAccount>(account)?.metadata.uid === uid)
    return known ? 'notable' : { why: `${author} fills ${key} for an account of uid ${uid}, which was never there` }
  },
)

const goneFirst = deciding(
  {
    id: 'SA-S3',
    sentence: 'a token is deleted by its controller only when the account it is for has been missing since it was made',
    source: CONTROLLER,
    sometimes: 'another account of that name is there',
    ...safety,
  },
  ['DeleteToken'],
  ({ choice, process }, context) => {
    const { secret, account } = choice
    const held = objectOf<Secret>(context.cluster.store.get(keyOfRef(secret)))
    if (held?.metadata.uid !== secret.uid) return 'vacuous'
    const accounts = accountsSince(context, held, account.name)
    const isIt = (one: ServiceAccount | null): boolean => one !== null && (account.uid ?? one.metadata.uid) === one.metadata.uid
    if (accounts.every(isIt))
      return { why: `${process} deletes token ${secret.name}, whose account ${account.name} was there all the time` }
    return accounts.at(-1) === null ? 'holds' : 'notable'
  },
)

/** There is a token, or was. */
const hadTokens = ({ history }: Context): boolean =>
  history.keys(prefixOf('secrets')).some((key) => history.versions(key).some(({ after }) => isToken(objectOf<Secret>(after))))

export const SERVICE_ACCOUNTS: readonly Invariant[] = [
  madeFor,
  goneFirst,
  settles(
    {
      id: 'SA-L1',
      sentence: 'the token of an account that is there is filled; that of one that is gone, or is another one by now, goes',
      source: CONTROLLER,
      sometimes: 'there was one',
    },
    (object) => object.startsWith('Secret '),
    hadTokens,
  ),
]
