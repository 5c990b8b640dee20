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
recoveryRoles: {{ $s.recoveryRoles | toJson }}
{{- end }}
