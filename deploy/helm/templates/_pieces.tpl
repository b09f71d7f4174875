{{/* Whatever the release is called, the service is found as relevo-SERVICE. */}}
{{- define "relevo.name" -}}
relevo-{{ required "give a values/SERVICE.yaml: helm upgrade --install NAME deploy/helm -f deploy/helm/values/SERVICE.yaml" .Values.service }}
{{- end }}

{{- define "relevo.selector" -}}
app.kubernetes.io/name: {{ include "relevo.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "relevo.labels" -}}
{{ include "relevo.selector" . }}
app.kubernetes.io/part-of: relevo
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What both the pods that run and the job that migrates have. */}}
{{- define "relevo.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "relevo.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml .Values.resources | nindent 2 }}
env:
{{- with .Values.secrets.kafka }}
  - name: RELEVO_KAFKA
    valueFrom: {secretKeyRef: {name: {{ . }}, key: kafka}}
{{- else }}
  - {name: RELEVO_KAFKA, value: {{ .Values.kafka | quote }}}
{{- end }}
  - {name: RELEVO_HTTP_PORT, value: {{ .Values.port | quote }}}
  - {name: RELEVO_SHUTDOWN_SECONDS, value: {{ .Values.shutdownSeconds | quote }}}
  - {name: RELEVO_TOKENS, value: /run/relevo/tokens.yaml}
  - name: RELEVO_SECRET
    valueFrom: {secretKeyRef: {name: {{ .Values.secrets.installation }}, key: secret}}
{{- if eq .Values.service "ingest" }}
  - {name: RELEVO_SOURCES, value: /run/relevo/sources.yaml}
  - {name: RELEVO_SPOOL_LIMIT, value: {{ .Values.spool.limit | int64 | quote }}}
{{- else }}
  - name: RELEVO_DATABASE
    valueFrom: {secretKeyRef: {name: {{ required "name the Secret with the service's database in secrets.own" .Values.secrets.own }}, key: database}}
{{- end }}
{{- if eq .Values.service "console" }}
  - name: RELEVO_ACT_FOR_TOKEN
    valueFrom: {secretKeyRef: {name: {{ .Values.secrets.own }}, key: act_for_token}}
{{- end }}
{{- if and (eq .Values.service "handoff") (not (hasKey .Values.env "RELEVO_PUBLIC_URL")) }}
{{- fail "set env.RELEVO_PUBLIC_URL to where reps and their tools reach handoff: the answer URLs in webhooks begin with it" }}
{{- end }}
{{- with .Values.otlp }}
  - {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
volumeMounts:
  - {name: files, mountPath: /run/relevo, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "relevo.volumes" -}}
- {name: files, secret: {secretName: {{ .Values.secrets.files }}}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- end }}
