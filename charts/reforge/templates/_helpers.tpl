{{- define "reforge.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{ $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "reforge.selector" -}}
app.kubernetes.io/name: reforge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "reforge.labels" -}}
{{ include "reforge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "reforge.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "reforge.settings" -}}
{{- $s := .Values.settings -}}
queueUrl: {{ required "set settings.queueUrl to the output queue_url of terraform/modules/reforge" $s.queueUrl | quote }}
deadLetterQueueUrl: {{ required "set settings.deadLetterQueueUrl to the output dead_letter_queue_url of terraform/modules/reforge" $s.deadLetterQueueUrl | quote }}
artifactBucket: {{ required "set settings.artifactBucket to the output artifact_bucket of terraform/modules/reforge" $s.artifactBucket | quote }}
region: {{ required "set settings.region to the region of the queue and the bucket" $s.region | quote }}
{{- with $s.topicArn }}
topicArn: {{ . | quote }}
{{- end }}
{{- with $s.clusterName }}
clusterName: {{ . | quote }}
{{- end }}
classifier: {{ $s.classifier | toJson }}
grants: {{ $s.grants | toJson }}
catalog: {{ $s.catalog | toJson }}
eventPatterns: {{ $s.eventPatterns | toJson }}
recoveryRoles: {{ $s.recoveryRoles | toJson }}
identities: {{ $s.identities | toJson }}
{{- with $s.accounts }}
accounts: {{ . | toJson }}
{{- end }}
{{- with $s.plumbing }}
plumbing: {{ . | toJson }}
{{- end }}
{{- with $s.projects }}
projects: {{ . | toJson }}
{{- end }}
{{- with $s.canary }}
{{- if .parameter }}
canary: {{ . | toJson }}
{{- end }}
{{- end }}
{{- with $s.sweep }}
{{- if .every }}
sweep: {{ . | toJson }}
{{- end }}
{{- end }}
{{- with $s.retention }}
retention: {{ . | toJson }}
{{- end }}
{{- if .Values.admission.install }}
# What the admission policies must say for a person's decision to count.
admission:
  {{ include "reforge.fullname" . }}-incidents: {{ include "reforge.admission.incidents" . | fromYaml | toJson }}
  {{ include "reforge.fullname" . }}-approvals: {{ include "reforge.admission.approvals" . | fromYaml | toJson }}
{{- end }}
{{- end }}

{{/* Incidents are the operator's: nobody else creates them or says how they stand, and nobody at all deletes one that has not ended. */}}
{{- define "reforge.admission.incidents" -}}
{{- $operator := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "reforge.fullname" .) -}}
failurePolicy: Fail
matchConstraints:
  resourceRules:
    - apiGroups: [reforge.dev]
      apiVersions: ["*"]
      operations: [CREATE, DELETE]
      resources: [incidents]
    - apiGroups: [reforge.dev]
      apiVersions: ["*"]
      operations: [UPDATE]
      resources: [incidents/status]
variables:
  - name: isOperator
    expression: request.userInfo.username == {{ $operator | squote }}
  - name: isCleaner
    expression: >-
      request.userInfo.username in ['system:serviceaccount:kube-system:namespace-controller']
  - name: hasEnded
    expression: >-
      request.operation == 'DELETE' && has(oldObject.status) && has(oldObject.status.phase)
      && oldObject.status.phase in ['Recovered', 'Failed', 'Dismissed']
validations:
  - expression: variables.isOperator || request.operation != 'CREATE'
    message: Incidents are opened by Reforge from events; nobody else creates them
    reason: Forbidden
  - expression: variables.isOperator || request.operation != 'UPDATE'
    message: how an Incident stands is written by Reforge only; to decide on its plan add to spec.approvals
    reason: Forbidden
  - expression: request.operation != 'DELETE' || variables.isCleaner || variables.hasEnded
    message: this Incident has not ended, and its event would be lost with it; suspend its policy to stop it, and delete it once it has ended
    reason: Forbidden
{{- end }}

{{/* Who decides on a plan holds the verb approve, and does so in their own name, once, on the plan that is there. */}}
{{- define "reforge.admission.approvals" -}}
failurePolicy: Fail
matchConstraints:
  resourceRules:
    - apiGroups: [reforge.dev]
      apiVersions: ["*"]
      operations: [UPDATE]
      resources: [incidents]
variables:
  - name: before
    expression: "has(oldObject.spec.approvals) ? oldObject.spec.approvals : []"
  - name: after
    expression: "has(object.spec.approvals) ? object.spec.approvals : []"
  - name: added
    expression: variables.after.filter(a, !(a in variables.before))
  - name: isUntouched
    expression: size(variables.added) == 0 && size(variables.after) == size(variables.before)
  - name: digest
    expression: "has(oldObject.status) && has(oldObject.status.plan) ? oldObject.status.plan.changeDigest : ''"
  - name: mayApprove
    expression: >-
      authorizer.group('reforge.dev').resource('incidents').namespace(object.metadata.namespace)
      .name(object.metadata.name).check('approve').allowed()
validations:
  - expression: variables.isUntouched || variables.mayApprove
    messageExpression: >-
      request.userInfo.username + ' may not decide on this Incident: that takes the verb approve on incidents, as in the ClusterRole
      {{ include "reforge.fullname" . }}-approver'
    reason: Forbidden
  - expression: size(variables.added) <= 1
    message: one decision at a time
  - expression: variables.added.all(a, a.by == request.userInfo.username)
    messageExpression: "'decide in your own name: spec.approvals[].by must be ' + request.userInfo.username"
    reason: Forbidden
  - expression: variables.added.all(a, a.changeDigest == variables.digest)
    messageExpression: >-
      variables.digest == '' ? 'there is no plan to decide on yet'
      : 'the plan has changed: look at status.plan again and decide on changeDigest ' + variables.digest
  - expression: >-
      variables.before.filter(b, b.changeDigest == variables.digest).all(b, b in variables.after)
    message: a decision on the present plan cannot be taken back or changed
{{- end }}
