/** Writes a report into a folder, in all its forms, and reads it back. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InputError } from '../properties/input.ts'
import { writeTrace } from '../traces/trace.ts'
import { makeFolder } from './folder.ts'
import { htmlReport } from './html.ts'
import { junitReport } from './junit.ts'
import { markdownReport } from './markdown.ts'
import { REPORT_FORMAT, type Report } from './report.ts'

/** Returns the path of the page. Throws InputError when the folder cannot be written. */
export const writeReport = (report: Report, folder: string): string => {
  const files: readonly (readonly [string, string])[] = [
    ['report.html', htmlReport(report)],
    ['report.md', markdownReport(report)],
    ['report.junit.xml', junitReport(report)],
    ['report.json', `${JSON.stringify(report)}\n`],
    ...report.failures.map((failure) => [failure.file, writeTrace(failure.trace)] as const),
  ]
  makeFolder(folder)
  for (const [name, text] of files) {
    const path = join(folder, name)
    makeFolder(dirname(path))
    writeFileSync(path, text)
  }
  return join(folder, 'report.html')
}

/** Throws InputError when it is no report of this format. */
export const readReport = (path: string): Report => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new InputError(path, 'expected a report (report.json), found no such file')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InputError(path, 'expected a report: one JSON object')
  }
  const format = (value as { readonly format?: unknown } | null)?.format
  const whole = typeof value === 'object' && value !== null && Array.isArray((value as { invariants?: unknown }).invariants)
  if (format !== REPORT_FORMAT || !whole)
    throw new InputError(path, `format: expected a report of format ${REPORT_FORMAT}, found ${JSON.stringify(format) ?? 'nothing'}`)
  return value as Report
}
